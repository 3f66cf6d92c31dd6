#pragma once

// A request's JSON body, read field by field.
//
// Use it for every body but an Invoke's, which is not read at all. A member that is absent or null
// is nullopt; one of the wrong kind is an error that names it. Unknown members are let pass, as
// Lambda lets them: newer clients send more. Threads: values. Failure: SerializationException.
// Lifetime: the object handed out lives as long as its Fields.
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aws/lambda_error.h"

namespace godwit::aws {

class Fields {
 public:
  // The object that `body` holds; an empty body is an empty object.
  static LambdaResult<Fields> Parse(std::string_view body);

  LambdaResult<std::optional<std::string>> Text(std::string_view name) const;
  LambdaResult<std::optional<int64_t>> Number(std::string_view name) const;
  LambdaResult<std::optional<bool>> Flag(std::string_view name) const;
  LambdaResult<std::optional<std::map<std::string, std::string>>> TextMap(
      std::string_view name) const;
  LambdaResult<std::optional<Fields>> Object(std::string_view name) const;
  // The strings of a list.
  LambdaResult<std::optional<std::vector<std::string>>> Texts(std::string_view name) const;
  // Whether a member is there and is neither null, empty nor false.
  bool Means(std::string_view name) const;

 private:
  Fields(std::shared_ptr<const boost::json::value> root, const boost::json::object& object)
      : root_(std::move(root)), object_(&object) {}
  const boost::json::value* Find(std::string_view name) const;

  std::shared_ptr<const boost::json::value> root_;  // what object_ is part of
  const boost::json::object* object_;
};

}  // namespace godwit::aws
