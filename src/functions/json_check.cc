#include "functions/json_check.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <cstdint>

namespace godwit::functions {
namespace {

namespace json = boost::json;

// Takes every event and keeps none. The names are those that basic_parser calls.
struct Ignore {
  // NOLINTBEGIN(readability-identifier-naming)
  static constexpr size_t max_object_size = SIZE_MAX;
  static constexpr size_t max_array_size = SIZE_MAX;
  static constexpr size_t max_key_size = SIZE_MAX;
  static constexpr size_t max_string_size = SIZE_MAX;
  // NOLINTEND(readability-identifier-naming)

  using Code = boost::system::error_code;
  using View = json::string_view;
  static bool on_document_begin(Code&) { return true; }
  static bool on_document_end(Code&) { return true; }
  static bool on_object_begin(Code&) { return true; }
  static bool on_object_end(size_t, Code&) { return true; }
  static bool on_array_begin(Code&) { return true; }
  static bool on_array_end(size_t, Code&) { return true; }
  static bool on_key_part(View, size_t, Code&) { return true; }
  static bool on_key(View, size_t, Code&) { return true; }
  static bool on_string_part(View, size_t, Code&) { return true; }
  static bool on_string(View, size_t, Code&) { return true; }
  static bool on_number_part(View, Code&) { return true; }
  static bool on_int64(int64_t, View, Code&) { return true; }
  static bool on_uint64(uint64_t, View, Code&) { return true; }
  static bool on_double(double, View, Code&) { return true; }
  static bool on_bool(bool, Code&) { return true; }
  static bool on_null(Code&) { return true; }
  static bool on_comment_part(View, Code&) { return true; }
  static bool on_comment(View, Code&) { return true; }
};

}  // namespace

Result<> CheckJson(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  json::basic_parser<Ignore> parser(options);
  boost::system::error_code failed;
  const size_t used = parser.write_some(false, text.data(), text.size(), failed);
  if (!failed && used < text.size()) failed = json::error::extra_data;
  if (!failed) return {};
  return Fail(Code::kInvalid, "{} at byte {}", failed.message(), used);
}

}  // namespace godwit::functions
