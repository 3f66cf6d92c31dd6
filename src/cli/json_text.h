#pragma once

// Reading JSON that a node sent, without asking at each step whether it is there.
//
// Threads: any. Failure: ParseJson() gives nullopt; the rest give the empty value for what is
// missing or of another kind.
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace godwit::cli {

// Deep nesting is allowed: a function may answer with it.
std::optional<boost::json::value> ParseJson(std::string_view text);

const boost::json::object* Member(const boost::json::object& object, std::string_view key);
std::string Str(const boost::json::object& object, std::string_view key);
uint64_t Num(const boost::json::object& object, std::string_view key);
bool Flagged(const boost::json::object& object, std::string_view key);

// `object` as text, with `raw` as it is under `key`: numbers in a payload keep the form that the
// function gave them. What is no JSON becomes a string.
std::string WithRaw(const boost::json::object& object, std::string_view key, std::string_view raw);

}  // namespace godwit::cli
