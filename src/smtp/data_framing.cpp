#include "smtp/data_framing.hpp"

#include <algorithm>

namespace postrider::smtp {

std::size_t DataFraming::in_octets_max(std::size_t out_octets) const {
  return bare_newline_ == BareNewline::normalize ? (out_octets - 3) / 2 : out_octets;  // 3: `.CR` held back, and an LF
}

void DataFraming::count(std::size_t octets) {
  line_octets_ += octets;
  if (line_octets_ > kDataLineOctetsMax) faults_.long_line = true;
}

void DataFraming::meet_bare_newline() {
  met_bare_newline_ = true;
  if (bare_newline_ == BareNewline::reject) faults_.bare_octet = true;
}

/// Takes octets up to the end of the line, or all. `in` is not empty.
std::size_t DataFraming::take_line(std::string_view in) {
  if (at_ == At::after_cr && in.front() == '\n') {
    count(1);
    line_octets_ = 0;
    at_ = At::line_start;
    return 1;
  }
  if (at_ == At::after_cr) meet_bare_newline();
  const std::size_t lf = in.find('\n');  // memchr: the usual line is looked at three times, at memory speed
  const std::string_view line = in.substr(0, lf);
  const std::size_t cr = line.find('\r');
  if (cr < line.size() - 1 && cr != std::string_view::npos) meet_bare_newline();
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
    meet_bare_newline();  // and the line goes on
    at_ = At::in_line;
  }
  return lf + 1;
}

std::size_t DataFraming::take_data(std::string_view in, std::string& out) {
  if (bare_newline_ == BareNewline::normalize) return normalize_data(in, out);
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
        meet_bare_newline();
        at_ = At::in_line;
      }
      at += take_line(in.substr(at));
    }
  }
  out += in.substr(run, at - run);
  return at;
}

void DataFraming::take_chunk(std::string_view in, std::string& out) {
  if (bare_newline_ == BareNewline::reject) {
    out += in;
    while (!in.empty()) in.remove_prefix(take_line(in));
    return;
  }
  while (!in.empty()) {
    if (at_ == At::after_cr && in.front() != '\n') end_bare_line(out);
    if (at_ != At::after_cr) at_ = At::in_line;  // a dot is an octet as any other
    const std::size_t run = normalize_run(in, out);
    in.remove_prefix(run);
    if (in.empty()) return;
    normalize_octet(in.front(), out);
    in.remove_prefix(1);
  }
}

void DataFraming::finish_chunks(std::string& out) {
  if (at_ != At::after_cr) return;
  meet_bare_newline();
  if (bare_newline_ == BareNewline::normalize) out += '\n';
}

// --- BareNewline::normalize ---
// A CR goes to `out` at once; its LF follows with the next octet, whatever that is.

std::size_t DataFraming::normalize_data(std::string_view in, std::string& out) {
  std::size_t at = 0;
  while (at < in.size() && at_ != At::end) {
    at += normalize_run(in.substr(at), out);
    if (at < in.size()) normalize_octet(in[at++], out);
  }
  return at;
}

/// Takes octets in a line that are neither CR nor LF, at memory speed.
std::size_t DataFraming::normalize_run(std::string_view in, std::string& out) {
  if (at_ != At::in_line) return 0;
  const std::string_view run = in.substr(0, in.find_first_of("\r\n"));
  if (run.contains('\0')) faults_.bare_octet = true;
  count(run.size());
  out += run;
  return run.size();
}

/// After what ended in a bare newline.
void DataFraming::end_bare_line(std::string& out) {
  meet_bare_newline();
  count(1);
  out += '\n';
  line_octets_ = 0;
  at_ = At::after_bare;
}

void DataFraming::normalize_octet(char c, std::string& out) {
  if (at_ == At::after_dot_cr && c == '\n') {  // 5321 §4.1.1.4
    at_ = At::end;
    return;
  }
  if (at_ == At::after_dot_cr) {  // a line of a dot and a bare CR
    out += ".\r";
    end_bare_line(out);
  } else if (at_ == At::after_cr && c == '\n') {
    count(1);
    out += c;
    line_octets_ = 0;
    at_ = At::line_start;
    return;
  } else if (at_ == At::after_cr) {
    end_bare_line(out);
  }
  if (c == '.' && (at_ == At::line_start || at_ == At::after_bare)) {
    at_ = at_ == At::line_start ? At::after_dot : At::bare_dot;  // 5321 §4.5.2
    return;
  }
  if (at_ == At::after_dot && c == '\r') {
    at_ = At::after_dot_cr;
    return;
  }
  if ((at_ == At::after_dot || at_ == At::bare_dot) && (c == '\r' || c == '\n')) out += '.';  // it is all of the line
  if (c == '\n') {
    count(1);
    out += '\r';
    end_bare_line(out);
    return;
  }
  if (c == '\0') faults_.bare_octet = true;
  count(1);
  out += c;
  at_ = c == '\r' ? At::after_cr : At::in_line;
}

}  // namespace postrider::smtp
