// Record data in wire form (1035 §3.3), uncompressed as libunbound gives it.
#pragma once

#include "core/result.hpp"
#include "dns/resolver.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::dns {

/// Errors of all  malformed.
[[nodiscard]] Result<MxRecord> parse_mx_rdata(std::string_view rdata);
[[nodiscard]] Result<SrvRecord> parse_srv_rdata(std::string_view rdata);
[[nodiscard]] Result<TlsaRecord> parse_tlsa_rdata(std::string_view rdata);
/// The strings joined without blanks.
[[nodiscard]] Result<std::string> parse_txt_rdata(std::string_view rdata);
/// 4 octets, which come mapped into IPv6.
[[nodiscard]] Result<std::array<std::uint8_t, 16>> parse_a_rdata(std::string_view rdata);
[[nodiscard]] Result<std::array<std::uint8_t, 16>> parse_aaaa_rdata(std::string_view rdata);

}  // namespace postrider::dns
