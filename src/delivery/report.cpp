#include "delivery/report.hpp"

#include "core/await.hpp"

#include <algorithm>
#include <utility>

namespace postrider::delivery {

namespace {

constexpr std::size_t kReturnedHeadersOctetsMax = 32 * 1024;
constexpr std::size_t kChunkOctets = 64 * 1024;

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

mail::DsnRecipient to_dsn(const Reported& reported) {
  const queue::Recipient& recipient = reported.recipient;
  const std::string& remote = reported.outcome.remote;
  return {
      .final_recipient = recipient.address,
      .original_recipient = recipient.original,
      .original_type = recipient.request.original_type,
      .original = recipient.request.original,
      .status = reported.outcome.status,
      .diagnostic = reported.outcome.reply,
      .remote_mta = remote.starts_with('/') ? std::string() : remote.substr(0, remote.find(' '))};  // no socket's path
}

mail::DsnAction action_of(ReportKind kind, const queue::Outcome& outcome) {
  switch (kind) {
    case ReportKind::failure:
    case ReportKind::notice: return mail::DsnAction::failed;
    case ReportKind::delay: return mail::DsnAction::delayed;
    case ReportKind::expanded: return mail::DsnAction::expanded;
    case ReportKind::success: break;
  }
  return outcome.attempt == queue::Attempt::delivered ? mail::DsnAction::delivered : mail::DsnAction::relayed;
}

bool is_failure(ReportKind kind) { return kind == ReportKind::failure || kind == ReportKind::notice; }

/// 3461 §4.3: the whole message only if it was asked for, and only of a failure. A binary one would need a way of its
/// own (3030 §3), and one of 8-bit octets one that takes 8BITMIME, which a report that leaves us must not depend on:
/// from `<>`, it would be lost in silence. `reader_is_here`: it goes to mailboxes only.
bool returns_message(const queue::Entry& entry, ReportKind kind, bool reader_is_here) {
  return (reader_is_here || !entry.has_eight_bit) && kind == ReportKind::failure &&
         entry.request.returned == mail::ReturnContent::full && entry.request.body != mail::BodyType::binary_mime &&
         entry.content.size_octets() <= kReturnedMessageOctetsMax;
}

}  // namespace

Task<Result<std::vector<queue::NewRecipient>>> Reporter::addressees(mail::Address address) {
  const Result<directory::Resolution> found = co_await rooms_.directory->resolve(address);
  if (!found) co_return fail(found);
  std::vector<queue::NewRecipient> out;
  if (std::holds_alternative<directory::NotOurs>(*found) || std::holds_alternative<directory::Relayed>(*found)) {
    out.push_back({.address = address, .original = std::nullopt, .account = std::nullopt, .request = {}});
  } else if (const auto* const deliverable = std::get_if<directory::Deliverable>(&*found)) {
    for (const directory::Target& target : deliverable->targets) {
      out.push_back({.address = target.address, .original = std::nullopt, .account = target.account, .request = {}});
    }
    if (out.size() > queue::kRecipientsMax) out.clear();  // an alias of more than an entry holds is no reader
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

Task<Result<std::optional<mail::Address>>> Reporter::postmaster_of(mail::Domain domain) {
  using Postmaster = std::optional<mail::Address>;
  if (settings_.postmaster) co_return settings_.postmaster;
  mail::Domain asked = domain;
  const Result<bool> is_ours = co_await rooms_.directory->is_local(std::move(asked));
  if (!is_ours) co_return fail(is_ours);
  Result<mail::Domain> host = mail::Domain::parse(settings_.hostname);
  if (!*is_ours && !host) co_return Postmaster();
  const Result<mail::Address> made = mail::Address::make("postmaster", *is_ours ? domain : *host);
  co_return made ? Postmaster(*made) : Postmaster();
}

Task<Result<Reporter::Reader>> Reporter::find_reader(queue::QueueId id, mail::Path sender, mail::Domain failed_domain,
                                                     ReportKind kind) {
  Reader reader;
  if (kind != ReportKind::notice && !sender.is_null()) {
    reader.address = sender.address();
    Result<std::vector<queue::NewRecipient>> found = co_await addressees(*reader.address);
    if (!found) co_return fail(found);
    reader.recipients = std::move(*found);
  }
  if (reader.recipients.empty() && is_failure(kind)) {
    // A stranger's failure, or a sender here who is gone: postmaster hears of it, of the domain that is ours.
    const bool is_notice = kind == ReportKind::notice || sender.is_null();
    if (!is_notice) failed_domain = sender.address().domain();
    Result<std::optional<mail::Address>> postmaster = co_await postmaster_of(std::move(failed_domain));
    if (!postmaster) co_return fail(postmaster);
    reader.address = std::move(*postmaster);
    if (reader.address) {
      Result<std::vector<queue::NewRecipient>> found = co_await addressees(*reader.address);
      if (!found) co_return fail(found);
      reader.recipients = std::move(*found);
    }
  }
  if (kind == ReportKind::notice)  // it never leaves this host
    std::erase_if(reader.recipients, [](const queue::NewRecipient& r) { return !r.account; });
  if (reader.recipients.empty() && is_failure(kind)) {
    doors_.events->emit(
        ReportImpossible{.id = id.text(), .to = reader.address ? reader.address->text() : std::string()});
  }
  co_return reader;
}

Task<Result<std::shared_ptr<store::SealedBlob>>> Reporter::write(mail::Dsn dsn,
                                                                 std::optional<store::Content> returned) {
  const Result<std::unique_ptr<store::BlobWriter>> writer = co_await doors_.store->create_blob();
  if (!writer) co_return fail(writer);
  const Result<void> before = co_await (*writer)->append(dsn.before);
  if (!before) co_return fail(before);
  if (returned) {
    store::ContentReader reader(doors_.store, std::move(*returned));
    for (;;) {
      const Result<std::string> chunk = co_await reader.next(kChunkOctets);
      if (!chunk) co_return fail(chunk);
      if (chunk->empty()) break;
      const Result<void> appended = co_await (*writer)->append(*chunk);
      if (!appended) co_return fail(appended);
    }
  }
  const Result<void> after = co_await (*writer)->append(dsn.after);
  if (!after) co_return fail(after);
  co_return co_await (*writer)->seal();
}

Task<Result<std::optional<queue::NewEntry>>> Reporter::stage(store::Transaction* transaction, queue::Entry entry,
                                                             std::vector<Reported> recipients, ReportKind kind) {
  using Report = std::optional<queue::NewEntry>;
  const queue::Recipient& first = recipients.front().recipient;
  mail::Domain domain =
      first.original.value_or(first.address).domain();  // of an alias' target elsewhere the alias' own
  mail::Path sender = first.reverse_path.value_or(entry.reverse_path);
  if (sender != entry.reverse_path) {  // 3461 §5.2.7.3: the owner of a list asked for nothing
    entry.request.envelope_id.clear();
    entry.request.returned = mail::ReturnContent::unsaid;
  }
  queue::QueueId id = entry.id;
  Result<Reader> reader = co_await find_reader(std::move(id), std::move(sender), std::move(domain), kind);
  if (!reader) co_return fail(reader);
  if (reader->recipients.empty()) co_return Report();

  Result<std::string> headers = co_await original_headers(entry.content);
  if (!headers) co_return fail(headers);
  const WallTime now = doors_.clock->wall();
  const bool here =
      std::ranges::all_of(reader->recipients, [](const queue::NewRecipient& r) { return r.account.has_value(); });
  const bool full = returns_message(entry, kind, here);
  mail::DsnInput input{.reporting_mta = settings_.hostname,
                       .queue_id = entry.id.text(),
                       .to = *reader->address,
                       .action = action_of(kind, recipients.front().outcome),
                       .recipients = {},
                       .envelope_id = entry.request.envelope_id,
                       .arrival = entry.arrival,
                       .at = now,
                       .will_retry_until = std::nullopt,
                       .original_headers = std::move(*headers),
                       .returned = full ? mail::ReturnContent::full : mail::ReturnContent::headers,
                       .returned_has_eight_bit = entry.has_eight_bit,
                       .utf8 = kind == ReportKind::notice || !here ? mail::Utf8::no : entry.request.utf8,
                       .boundary = boundary_of(*doors_.random)};
  if (kind == ReportKind::delay) input.will_retry_until = rooms_.queue->last_try_at(entry, first);
  for (const Reported& reported : recipients) input.recipients.push_back(to_dsn(reported));
  mail::Dsn dsn = mail::build_dsn(input);
  mail::SenderRequest request;
  request.utf8 = dsn.utf8;
  const bool has_eight_bit = dsn.has_eight_bit;
  std::optional<store::Content> returned;
  if (full) returned = entry.content;
  const Result<std::shared_ptr<store::SealedBlob>> sealed = co_await write(std::move(dsn), std::move(returned));
  if (!sealed) co_return fail(sealed);

  queue::NewEntry report{.id = rooms_.ids->next(),
                         .reverse_path = mail::Path::null(),  // 5321 §4.5.5, 3461 §6.1
                         .recipients = std::move(reader->recipients),
                         .content = {.prefix = {}, .dropped = {}, .body = (*sealed)->ref()},
                         .return_paths = {},
                         .has_eight_bit = has_eight_bit,
                         .report_to = queue::ReportTo::nobody,
                         .request = std::move(request),
                         .arrival = now,
                         .client = "report about " + entry.id.text()};
  transaction->add_blob(*sealed);
  const Result<void> staged = rooms_.queue->stage_accept(*transaction, report);
  if (!staged) co_return fail(staged);
  co_return Report(std::move(report));
}

}  // namespace postrider::delivery
