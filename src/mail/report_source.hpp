// A message that may be a report, taken apart: what its parts and its header section say.
#pragma once

#include "mail/mime.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postrider::mail {

/// A header section, and where its values stand.
struct ReturnedHeaders {
  std::string octets;
  std::vector<MimeField> fields;
};

/// The value of the first field with that name, unfolded and decoded; empty: none.
[[nodiscard]] std::string header_of(std::string_view octets, const std::vector<MimeField>& fields,
                                    std::string_view name);

class ReportSource {
 public:
  /// `message` must outlive it. Linear.
  explicit ReportSource(std::string_view message);

  [[nodiscard]] std::string header(std::string_view name) const;
  [[nodiscard]] const std::string& type() const { return tree_.root.type; }
  /// UTF-8, of all text parts before the returned message; of HTML where there is nothing else; the body where there
  /// is no part that could be read.
  [[nodiscard]] const std::string& text() const { return text_; }
  // Decoded bodies of the parts of 3464, 8098 and 5965, one behind the other.
  [[nodiscard]] const std::string& status() const { return status_; }
  [[nodiscard]] const std::string& disposition() const { return disposition_; }
  [[nodiscard]] const std::string& feedback() const { return feedback_; }
  [[nodiscard]] const ReturnedHeaders& returned() const { return returned_; }
  [[nodiscard]] bool has_returned() const { return has_returned_; }
  /// The whole of what is returned, where it is a part of its own. Points into the message.
  [[nodiscard]] std::string_view returned_message() const { return returned_message_; }
  /// The value of the first field of the returned header section with that name; where a broken field ended the section
  /// early, of a line behind it.
  [[nodiscard]] std::string returned_header(std::string_view name) const;
  /// Takes the header section at the beginning of `octets` for the returned one, unless there is one.
  void take_returned(std::string_view octets);

 private:
  void collect(const MimePart& part);
  void leaf(const MimePart& part);

  std::string_view message_;
  MimeTree tree_;
  std::size_t parts_ = 0;
  std::string text_;
  std::string html_;
  std::string status_;
  std::string disposition_;
  std::string feedback_;
  ReturnedHeaders returned_;
  std::string_view returned_message_;
  bool has_returned_ = false;
};

}  // namespace postrider::mail
