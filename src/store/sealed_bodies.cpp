#include "store/sealed_bodies.hpp"

#include <utility>

namespace postrider::store {

class SealedBodies::Handle final : public SealedBlob {
 public:
  Handle(std::shared_ptr<State> state, BlobRef ref) : state_(std::move(state)), ref_(std::move(ref)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() override {
    SealedBody dropped;  // dies after the lock is released
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->by_id.find(ref_.id);
    if (found == state_->by_id.end()) return;
    dropped = std::move(found->second);
    state_->by_id.erase(found);
  }
  const BlobRef& ref() const override { return ref_; }

 private:
  std::shared_ptr<State> state_;
  BlobRef ref_;
};

std::shared_ptr<SealedBlob> SealedBodies::add(BlobRef ref, SealedBody body) {
  const std::scoped_lock lock(state_->mutex);
  state_->by_id.emplace(ref.id, std::move(body));
  return std::make_shared<Handle>(state_, std::move(ref));
}

std::optional<SealedBody> SealedBodies::find(const BlobId& id) const {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->by_id.find(id);
  if (found == state_->by_id.end()) return std::nullopt;
  return found->second;
}

void SealedBodies::committed(const BlobId& id) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->by_id.find(id);
  if (found == state_->by_id.end()) return;
  if (found->second.file) found->second.file->keep();
  state_->by_id.erase(found);
}

void SealedBodies::keep_all() {
  const std::scoped_lock lock(state_->mutex);
  for (auto& [id, body] : state_->by_id) {
    if (body.file) body.file->keep();
  }
}

}  // namespace postrider::store
