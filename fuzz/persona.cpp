// rooms: smtp mail core
// The remote of every temper against senders that say anything: what it does is the same however the octets are cut, it
// ends with at most one drop, and what it keeps is bounded. Input: an octet that chooses the profile, one of seed, the
// octets that are said.
#include "smtp/persona.hpp"

#include "core/check.hpp"
#include "core/overloaded.hpp"
#include "core/random.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace postrider;

namespace {

/// What it says and does, as text; and that nothing follows a drop.
std::string shown(const smtp::PersonaActions& actions) {
  std::string out;
  bool dropped = false;
  for (const smtp::PersonaAction& action : actions) {
    check(!dropped, "a drop is the last action");
    std::visit(Overloaded{[&](const smtp::PersonaSay& a) { out += a.octets; },
                          [&](const smtp::PersonaPause&) { out += "<pause>"; },
                          [&](const smtp::PersonaSayForEver& a) {
                            check(!a.octets.empty(), "there is something to say for ever");
                            out += "<for ever>";
                          },
                          [&](const smtp::PersonaStopReading&) { out += "<deaf>"; },
                          [&](const smtp::PersonaTaken& a) {
                            check(!a.message.recipients.empty(), "a message is for somebody");
                            check(a.message.content.size() <= smtp::kPersonaContentOctetsMax, "a content is bounded");
                            out += "<taken " + a.message.sender + ' ' + a.message.content + '>';
                          },
                          [&](const smtp::PersonaDrop&) {
                            dropped = true;
                            out += "<drop>";
                          }},
               action);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto behaviours = smtp::persona_behaviours();
  const std::string_view profile = behaviours[data[0] % behaviours.size()].name;  // of an address: it is plain
  const std::string_view said(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto run = [&](auto next_cut) {
    smtp::PersonaMemory memory;
    smtp::Persona persona(profile, &memory);
    smtp::PersonaActions actions;
    persona.start(actions);
    for (std::size_t at = 0; at < said.size();) {
      const std::size_t cut = next_cut();
      persona.receive(said.substr(at, cut), actions);
      at += cut;
    }
    return shown(actions);
  };
  SeededRandom random(data[1]);
  const std::string whole = run([&] { return said.size(); });
  check(run([&] { return 1 + random.below(9); }) == whole, "cuts make no difference");
  return 0;
}
