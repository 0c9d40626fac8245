// The one coroutine type. Declared only: a header that declares a Task<T> function needs no Asio; a .cpp that awaits
// includes "core/await.hpp".
#pragma once

namespace boost::asio {
class any_io_executor;
template <class T, class Executor>
class awaitable;
}  // namespace boost::asio

namespace postrider {

/// A coroutine on a shard. Starts when awaited or spawned; runs only on its shard's thread.
template <class T>
using Task = boost::asio::awaitable<T, boost::asio::any_io_executor>;

}  // namespace postrider
