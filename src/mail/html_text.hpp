// What HTML says, for those who look for words in it.
#pragma once

#include <string>
#include <string_view>

namespace postrider::mail {

/// Tags, comments, styles and scripts taken out, what begins a block on a line of its own, the common entities read.
/// UTF-8 in, UTF-8 out, never longer. For looking at, not for showing: it is no sanitiser. Linear.
[[nodiscard]] std::string text_of_html(std::string_view html);

}  // namespace postrider::mail
