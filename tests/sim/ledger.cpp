#include "ledger.hpp"

#include "core/await.hpp"
#include "store/content.hpp"

namespace postrider::sim {

namespace {

constexpr std::size_t kListMax = 100'000;

Task<Result<std::vector<std::string>>> read_inbox(Host* host, mail::Address address) {
  const Result<directory::Resolution> found = co_await host->server()->directory()->resolve(address);
  if (!found) co_return fail(found);
  const auto& target = std::get<directory::Deliverable>(*found).targets.front();
  const Result<mailbox::Mailbox> inbox = co_await host->server()->mailboxes()->open_inbox(*target.account);
  if (!inbox) co_return fail(inbox);
  const Result<std::vector<mailbox::Message>> messages =
      co_await host->server()->mailboxes()->list(*inbox, 1, kListMax);
  if (!messages) co_return fail(messages);
  std::vector<std::string> texts;
  for (const mailbox::Message& message : *messages) {
    store::ContentReader reader(host->store(), message.content);
    std::string text;
    for (;;) {
      const Result<std::string> chunk = co_await reader.next(64 * 1024);
      if (!chunk) co_return fail(chunk);
      if (chunk->empty()) break;
      text += *chunk;
    }
    texts.push_back(std::move(text));
  }
  co_return texts;
}

Task<Result<std::vector<queue::Listed>>> list_queue(Host* host) {
  const Result<queue::ListPage> page = co_await host->server()->queue()->list({}, std::nullopt, kListMax);
  if (!page) co_return fail(page);
  co_return page->entries;
}

bool is_report(std::string_view text) { return text.find("multipart/report") != std::string_view::npos; }

/// How often the token stands in messages, and in reports about messages.
struct Copies {
  std::map<std::string, int> messages;
  std::map<std::string, int> reports;
};

Copies count_tokens(const std::vector<std::string>& texts) {
  Copies copies;
  for (const std::string& text : texts) {
    const std::size_t at = text.find("<token-");
    if (at == std::string::npos) continue;
    const std::string token = text.substr(at + 1, text.find('@', at) - at - 1);
    ++(is_report(text) ? copies.reports : copies.messages)[token];
  }
  return copies;
}

}  // namespace

std::size_t due_recipients(World* world) {
  std::size_t due = 0;
  for (const std::unique_ptr<Host>& host : world->hosts) {
    if (!host->up()) return 1;
    const Result<std::vector<queue::Listed>> listed = test::run(world->base, list_queue(host.get()));
    if (!listed) return 1;
    for (const queue::Listed& entry : *listed) {
      for (const queue::Recipient& recipient : entry.recipients)
        due += recipient.state == queue::RecipientState::due ? 1U : 0U;
    }
  }
  return due;
}

std::vector<std::string> check_ledger(World* world, const std::vector<Sent>& ledger) {
  std::vector<std::string> mistakes;
  std::map<mail::Address, Copies> inboxes;
  for (const std::unique_ptr<Host>& host : world->hosts) {
    for (const std::string user : {"postmaster", "one", "two"}) {
      const mail::Address address = *mail::Address::make(user, *mail::Domain::parse(host->domain()));
      const Result<std::vector<std::string>> texts = test::run(world->base, read_inbox(host.get(), address));
      if (!texts) {
        mistakes.push_back(address.text() + " cannot be read: " + describe(texts.error()));
        continue;
      }
      inboxes[address] = count_tokens(*texts);
    }
  }
  for (const Sent& sent : ledger) {
    for (const mail::Address& mailbox : sent.mailboxes) {
      const int copies = inboxes[mailbox].messages[sent.token];
      if (sent.acknowledged && copies == 0)
        mistakes.push_back(fmt::format("LOST {} for {}", sent.token, mailbox.text()));
      if (sent.want == Want::local && copies > 1)
        mistakes.push_back(fmt::format("TWICE {} for {}: {} copies", sent.token, mailbox.text(), copies));
    }
    if (sent.want == Want::nobody_else && sent.acknowledged && !sent.sender.is_null()) {
      const int reports = inboxes[sent.sender.address()].reports[sent.token];
      if (reports == 0)
        mistakes.push_back(fmt::format("UNREPORTED {} to {}", sent.token, sent.sender.text()));
      else
        ++(*world->marks)["report"];
    }
    if (sent.want == Want::nobody_else && sent.sender.is_null()) {
      for (auto& [address, copies] : inboxes) {
        if (copies.reports.contains(sent.token))
          mistakes.push_back(fmt::format("REPORT about the null reverse-path: {} in {}", sent.token, address.text()));
      }
      ++(*world->marks)["null reverse-path failed"];
    }
    if (sent.acknowledged) ++(*world->marks)[sent.want == Want::local ? "accepted local" : "accepted for elsewhere"];
  }
  return mistakes;
}

}  // namespace postrider::sim
