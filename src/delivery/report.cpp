#include "delivery/report.hpp"

#include "core/await.hpp"

#include <utility>

namespace postrider::delivery {

namespace {

constexpr std::size_t kReturnedHeadersOctetsMax = 32 * 1024;

/// A failure that nobody could be told of by mail: the trace and this event are what is left.
struct ReportImpossible {
  static constexpr std::string_view kName = "report.impossible";
  static constexpr Level kLevel = Level::error;
  std::string_view id;
  std::string to;
  void fields(FieldSink& sink) const {
    sink.add("id", id);
    sink.add("to", to);
  }
};

std::string boundary_of(Random& random) {
  static constexpr std::string_view kLetters = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string out;
  for (int i = 0; i < 24; ++i) out += kLetters[random.below(kLetters.size())];
  return out;
}

mail::DsnRecipient to_dsn(const Failure& failure) {
  const auto [host, address] = std::pair(failure.outcome.remote.substr(0, failure.outcome.remote.find(' ')), 0);
  return {.final_recipient = failure.recipient.address,
          .original_recipient = failure.recipient.original,
          .status = failure.outcome.status,
          .diagnostic = failure.outcome.reply,
          .remote_mta = host};
}

}  // namespace

Task<Result<std::vector<queue::NewRecipient>>> Reporter::addressees(mail::Address address) {
  const Result<directory::Resolution> found = co_await rooms_.directory->resolve(address);
  if (!found) co_return fail(found);
  std::vector<queue::NewRecipient> out;
  if (std::holds_alternative<directory::NotOurs>(*found)) {
    out.push_back({.address = address, .original = std::nullopt, .account = std::nullopt});
  } else if (const auto* const deliverable = std::get_if<directory::Deliverable>(&*found)) {
    for (const directory::Target& target : deliverable->targets) {
      out.push_back({.address = target.address, .original = std::nullopt, .account = target.account});
    }
  }
  co_return out;
}

Task<Result<std::string>> Reporter::original_headers(store::Content content) {
  store::ContentReader reader(doors_.store, std::move(content));
  std::string headers;
  while (headers.size() < kReturnedHeadersOctetsMax) {
    const Result<std::string> chunk = co_await reader.next(kReturnedHeadersOctetsMax);
    if (!chunk) co_return fail(chunk);
    if (chunk->empty()) break;
    headers += *chunk;
    const std::size_t end = headers.find("\r\n\r\n");
    if (end != std::string::npos) co_return headers.substr(0, end + 2);
  }
  headers.resize(std::min(headers.size(), kReturnedHeadersOctetsMax));
  headers.resize(headers.rfind('\n') + 1);  // npos + 1 is 0: no whole line, nothing to return
  co_return headers;
}

Task<Result<std::optional<queue::NewEntry>>> Reporter::stage(store::Transaction* transaction, queue::Entry entry,
                                                             std::vector<Failure> failures, queue::ReportTo to) {
  using Report = std::optional<queue::NewEntry>;
  std::optional<mail::Address> reader;
  Result<std::vector<queue::NewRecipient>> recipients = std::vector<queue::NewRecipient>();
  if (to == queue::ReportTo::sender && !entry.reverse_path.is_null()) {
    reader = entry.reverse_path.address();
    recipients = co_await addressees(*reader);
    if (!recipients) co_return fail(recipients);
  }
  if (recipients->empty()) {  // a stranger's failure, or a sender here who is gone: postmaster hears of it
    reader = settings_.postmaster;
    if (!reader) {
      const Result<mail::Address> made = mail::Address::make("postmaster", failures.front().recipient.address.domain());
      if (made) reader = *made;
    }
    if (reader) recipients = co_await addressees(*reader);
    if (!recipients) co_return fail(recipients);
  }
  std::erase_if(*recipients, [&](const queue::NewRecipient& r) { return to != queue::ReportTo::sender && !r.account; });
  if (recipients->empty()) {  // a notice to postmaster never leaves this host
    doors_.events->emit(ReportImpossible{.id = entry.id.text(), .to = reader ? reader->text() : std::string()});
    co_return Report();
  }

  Result<std::string> headers = co_await original_headers(entry.content);
  if (!headers) co_return fail(headers);
  const WallTime now = doors_.clock->wall();
  mail::DsnInput input{.reporting_mta = settings_.hostname,
                       .queue_id = entry.id.text(),
                       .to = *reader,
                       .action = mail::DsnAction::failed,
                       .recipients = {},
                       .arrival = entry.arrival,
                       .at = now,
                       .will_retry_until = std::nullopt,
                       .original_headers = std::move(*headers),
                       .boundary = boundary_of(*doors_.random)};
  for (const Failure& failure : failures) input.recipients.push_back(to_dsn(failure));
  const std::string text = mail::build_dsn(input);

  const Result<std::unique_ptr<store::BlobWriter>> writer = co_await doors_.store->create_blob();
  if (!writer) co_return fail(writer);
  const Result<void> appended = co_await (*writer)->append(text);
  if (!appended) co_return fail(appended);
  const Result<std::shared_ptr<store::SealedBlob>> sealed = co_await (*writer)->seal();
  if (!sealed) co_return fail(sealed);

  queue::NewEntry report{.id = rooms_.ids->next(),
                         .reverse_path = mail::Path::null(),  // 5321 §4.5.5
                         .recipients = std::move(*recipients),
                         .content = {.prefix = {}, .dropped = {}, .body = (*sealed)->ref()},
                         .return_paths = {},
                         .has_eight_bit = false,
                         .report_to = queue::ReportTo::nobody,
                         .arrival = now,
                         .client = "report about " + entry.id.text()};
  transaction->add_blob(*sealed);
  const Result<void> staged = rooms_.queue->stage_accept(*transaction, report);
  if (!staged) co_return fail(staged);
  co_return Report(std::move(report));
}

}  // namespace postrider::delivery
