#include "mail/html_text.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace postrider::mail {

namespace {

constexpr auto kBlocks = std::to_array<std::string_view>(
    {"br", "p", "div", "tr", "li", "td", "h1", "h2", "h3", "h4", "hr", "pre", "table", "body", "head", "blockquote"});

struct Entity {
  std::string_view name;
  char meaning;
};
constexpr auto kEntities = std::to_array<Entity>({
    {"&lt;", '<'},
    {"&gt;", '>'},
    {"&amp;", '&'},
    {"&quot;", '"'},
    {"&nbsp;", ' '},
    {"&#39;", '\''},
    {"&#64;", '@'},
});

}  // namespace

std::string text_of_html(std::string_view html) {
  std::string out;
  std::string_view ends_with;  // the tag that ends what is no text
  for (std::size_t at = 0; at < html.size();) {
    const std::string_view rest = html.substr(at);
    if (rest.starts_with("<!--") && ends_with.empty()) {
      const std::size_t close = rest.find("-->");
      if (close == std::string_view::npos) return out;
      at += close + 3;
      continue;
    }
    if (rest.front() == '<' && (ends_with.empty() || rest.starts_with("</"))) {
      const std::size_t close = rest.find('>');
      if (close == std::string_view::npos) return out;
      std::string_view tag = rest.substr(1, close - 1);
      const bool ends = tag.starts_with('/');
      if (ends) tag.remove_prefix(1);
      const std::string name = lowered_ascii(tag.substr(0, std::min<std::size_t>(tag.find_first_of(" \t\r\n/"), 16)));
      if (ends && name == ends_with) ends_with = {};
      if (!ends && ends_with.empty() && name == "style") ends_with = "style";
      if (!ends && ends_with.empty() && name == "script") ends_with = "script";
      if (std::ranges::find(kBlocks, name) != kBlocks.end()) out += '\n';
      at += close + 1;
      continue;
    }
    const auto entity = rest.front() != '&' ? kEntities.end() : std::ranges::find_if(kEntities, [&](const Entity& e) {
      return rest.starts_with(e.name);
    });
    if (ends_with.empty()) out += entity == kEntities.end() ? rest.front() : entity->meaning;
    at += entity == kEntities.end() ? 1 : entity->name.size();
  }
  return out;
}

}  // namespace postrider::mail
