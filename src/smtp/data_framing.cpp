#include "smtp/data_framing.hpp"

#include "smtp/server_session.hpp"

#include <algorithm>

namespace postrider::smtp {

void DataFraming::count(std::size_t octets) {
  line_octets_ += octets;
  if (line_octets_ > kDataLineOctetsMax) faults_.long_line = true;
}

/// Takes octets up to the end of the line, or all. `in` is not empty.
std::size_t DataFraming::take_line(std::string_view in) {
  if (at_ == At::after_cr && in.front() == '\n') {
    count(1);
    line_octets_ = 0;
    at_ = At::line_start;
    return 1;
  }
  if (at_ == At::after_cr) faults_.bare_octet = true;
  const std::size_t lf = in.find('\n');  // memchr: the usual line is looked at three times, at memory speed
  const std::string_view line = in.substr(0, lf);
  const std::size_t cr = line.find('\r');
  if (cr < line.size() - 1 && cr != std::string_view::npos) faults_.bare_octet = true;
  if (line.contains('\0')) faults_.bare_octet = true;
  const bool ends_with_cr = line.ends_with('\r');
  if (lf == std::string_view::npos) {
    count(in.size());
    at_ = ends_with_cr ? At::after_cr : At::in_line;
    return in.size();
  }
  count(lf + 1);
  if (ends_with_cr) {
    line_octets_ = 0;
    at_ = At::line_start;
  } else {
    faults_.bare_octet = true;  // and the line goes on
    at_ = At::in_line;
  }
  return lf + 1;
}

std::size_t DataFraming::take_data(std::string_view in, std::string& out) {
  std::size_t at = 0;
  std::size_t run = 0;  // content from here to `at` is not in `out` yet
  while (at < in.size() && at_ != At::end) {
    const char c = in[at];
    if (at_ == At::line_start && c == '.') {
      out += in.substr(run, at - run);
      run = ++at;  // 5321 §4.5.2: the first dot of a line is not content
      at_ = At::after_dot;
    } else if (at_ == At::after_dot && c == '\r') {
      run = ++at;
      at_ = At::after_dot_cr;
    } else if (at_ == At::after_dot_cr && c == '\n') {
      run = ++at;
      at_ = At::end;  // 5321 §4.1.1.4
    } else {
      if (at_ == At::after_dot_cr) {
        faults_.bare_octet = true;
        at_ = At::in_line;
      }
      at += take_line(in.substr(at));
    }
  }
  out += in.substr(run, at - run);
  return at;
}

void DataFraming::take_chunk(std::string_view in) {
  while (!in.empty()) in.remove_prefix(take_line(in));
}

void DataFraming::finish_chunks() {
  if (at_ == At::after_cr) faults_.bare_octet = true;
}

}  // namespace postrider::smtp
