#pragma once

// What goes over a site's port as JSON, and errors as answers that keep their code.
//
// Threads: values. Failure: kInvalid for a body that is not what it should be; never a secret in
// the text.
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"

namespace godwit::sites {

inline constexpr std::string_view kJoinPath = "/site/v1/join";

// What a newcomer says.
struct JoinRequest {
  std::string token{};  // as a person carried it
  std::string name{};
  std::string address{};
  std::string public_key{};  // PEM
  std::string version{};     // of Godwit
};
// What makes it a member.
struct JoinAnswer {
  std::string site{};
  std::string coordinator{};
  std::string ca_certificate{};
  std::string ca_key{};
  std::string certificate{};
  std::string site_key{};  // 32 bytes
};

std::string ToJson(const JoinRequest& request);
std::string ToJson(const JoinAnswer& answer);
Result<JoinRequest> ReadJoinRequest(std::string_view body);
Result<JoinAnswer> ReadJoinAnswer(std::string_view body);

// {"error":{"code":"denied","message":"..."}} with the code's status.
http::Response Refusal(const Error& why);
// The error in an answer of another status than 2xx.
Error ErrorIn(const http::Response& answer);

}  // namespace godwit::sites
