// What the header section of one entity says about it: its type, name, encoding (2045 §5, §6, 2183).
#pragma once

#include "mail/mime.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

/// Fills in what `part.fields` say; where they say no type, it is `default_type`. Reads at most `octets_left` octets of
/// values and takes them off; the first field of a name counts.
void read_part_fields(std::string_view message, std::string_view default_type, std::size_t& octets_left, MimePart& part,
                      std::vector<std::string>& defects);

/// The value of the first field with that name; nullptr when there is none. ASCII case-insensitive.
[[nodiscard]] const MimeField* first_field(const MimePart& part, std::string_view name);

/// The value of a parameter of that name; empty when there is none.
[[nodiscard]] std::string_view parameter_of(const std::vector<Parameter>& parameters, std::string_view name);

[[nodiscard]] bool is_multipart(const MimePart& part);
/// Of those whose body is a message (2046 §5.2.1, 6532 §3.7).
[[nodiscard]] bool is_message(const MimePart& part);

}  // namespace postrider::mail
