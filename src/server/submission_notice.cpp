#include "server/submission_notice.hpp"

#include "core/await.hpp"
#include "mail/message_builder.hpp"

#include <algorithm>
#include <utility>

namespace postrider::server {

namespace {

Task<Result<std::vector<queue::NewRecipient>>> find_readers(const SubmissionService* service,
                                                            std::vector<mail::Address> to) {
  std::vector<queue::NewRecipient> out;
  for (const mail::Address& address : to) {
    mail::Address asked = address;
    const Result<directory::Resolution> found = co_await service->directory->resolve(std::move(asked));
    if (!found) co_return fail(found);
    std::vector<directory::Target> targets;
    if (const auto* const deliverable = std::get_if<directory::Deliverable>(&*found)) {
      targets = deliverable->targets;
    } else if (!std::holds_alternative<directory::Unknown>(*found) && address == service->postmaster) {
      targets.push_back({.address = address, .account = std::nullopt});
    }
    for (directory::Target& target : targets) {
      const bool is_there = std::ranges::any_of(out, [&](const queue::NewRecipient& one) {
        return one.account == target.account && (one.account || one.address == target.address);
      });
      if (is_there || out.size() == queue::kRecipientsMax) continue;
      out.push_back(
          {.address = std::move(target.address), .original = std::nullopt, .account = target.account, .request = {}});
    }
  }
  co_return out;
}

std::string content_of(const SubmissionService& service, const queue::QueueId& id, const Notice& notice) {
  const mail::HeaderMailbox from{
      .name = "Postrider", .local = "postmaster", .domain = service.hostname.text(), .route = {}};
  std::vector<mail::HeaderMailbox> to;
  for (const mail::Address& one : notice.to)
    to.push_back({.name = {}, .local = one.local_part(), .domain = one.domain().text(), .route = {}});
  mail::MessageBuilder builder{std::string()};
  builder.date(service.clock->wall()).addresses("From", {from}).addresses("To", to);
  builder.field("Subject", notice.subject).message_id(id.text(), service.hostname);
  builder.field("Auto-Submitted", "auto-generated").text(notice.text);  // 3834 §5
  return builder.build();
}

}  // namespace

Task<Result<std::optional<queue::NewEntry>>> stage_notice(const SubmissionService* service,
                                                          store::Transaction* transaction, Notice notice) {
  using Staged = std::optional<queue::NewEntry>;
  Result<std::vector<queue::NewRecipient>> readers = co_await find_readers(service, notice.to);
  if (!readers) co_return fail(readers);
  if (readers->empty()) co_return Staged();
  const queue::QueueId id = service->ids->next();
  const std::string content = content_of(*service, id, notice);
  const Result<std::unique_ptr<store::BlobWriter>> writer = co_await service->store->create_blob();
  if (!writer) co_return fail(writer);
  const Result<void> appended = co_await (*writer)->append(content);
  if (!appended) co_return fail(appended);
  const Result<std::shared_ptr<store::SealedBlob>> sealed = co_await (*writer)->seal();
  if (!sealed) co_return fail(sealed);
  queue::NewEntry entry{.id = id,
                        .reverse_path = mail::Path::null(),
                        .recipients = std::move(*readers),
                        .content = {.prefix = {}, .dropped = {}, .body = (*sealed)->ref()},
                        .return_paths = {},
                        .report_to = queue::ReportTo::nobody,
                        .request = {},
                        .arrival = service->clock->wall(),
                        .client = "notice about a login"};
  transaction->add_blob(*sealed);
  const Result<void> staged = service->queue->stage_accept(*transaction, entry);
  if (!staged) co_return fail(staged);
  co_return Staged(std::move(entry));
}

}  // namespace postrider::server
