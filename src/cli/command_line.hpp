// The command line (INTERFACE §2).
#pragma once

namespace postrider::cli {

/// Reads the words, does what they say, gives the exit code.
[[nodiscard]] int run_command_line(int argc, char** argv);

}  // namespace postrider::cli
