// The functions behind the table in admin.cpp. Each gets a request whose number of words and options are as the table
// says.
#pragma once

#include "web/admin.hpp"

namespace postrider::web {

[[nodiscard]] Task<AdminReply> add_domain(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> remove_domain(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> list_domains(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> change_dkim(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> show_dns(AdminRooms rooms, AdminRequest request);

[[nodiscard]] Task<AdminReply> add_account(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> remove_account(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> list_accounts(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> set_password(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> set_account_class(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> add_app_password(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> list_app_passwords(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> revoke_app_password(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> add_send_as(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> remove_send_as(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> list_send_as(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> enable_account(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> disable_account(AdminRooms rooms, AdminRequest request);

[[nodiscard]] Task<AdminReply> add_alias(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> remove_alias(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> list_aliases(AdminRooms rooms, AdminRequest request);

[[nodiscard]] Task<AdminReply> list_bans(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> lift_ban(AdminRooms rooms, AdminRequest request);

[[nodiscard]] Task<AdminReply> list_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> show_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> summarize_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> retry_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> hold_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> release_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> remove_from_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> bounce_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> redirect_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> freeze_queue(AdminRooms rooms, AdminRequest request);
[[nodiscard]] Task<AdminReply> thaw_queue(AdminRooms rooms, AdminRequest request);

[[nodiscard]] Task<AdminReply> reload(AdminRooms rooms, AdminRequest request);

/// The value of an option; nullopt when it was not given.
[[nodiscard]] std::optional<std::string> option(const AdminRequest& request, std::string_view name);

}  // namespace postrider::web
