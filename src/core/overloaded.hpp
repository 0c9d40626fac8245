// std::visit with a lambda per alternative.
#pragma once

namespace postrider {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

}  // namespace postrider
