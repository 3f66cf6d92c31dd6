#pragma once

// Which function a Lambda request means: by plain name, partial ARN or full ARN, each perhaps with
// a qualifier.
//
//   greeter                                                          greeter:$LATEST
//   123456789012:function:greeter                                    function:greeter
//   arn:aws:lambda:eu-west-1:123456789012:function:greeter:prod
//
// Any region and account is taken and comes back in the ARNs of the answer; a plain name gets the
// node's own. Threads: values. Failure: ValidationException and InvalidParameterValueException with
// Lambda's texts.
#include <string>
#include <string_view>

#include "aws/lambda_error.h"

namespace godwit::aws {

struct Identity {  // what stands in ARNs where the caller names nothing else
  std::string region = "us-east-1";
  std::string account = "000000000000";
};

struct FunctionRef {
  std::string partition = "aws";
  std::string region;
  std::string account;
  std::string name;
  std::string qualifier;  // as given; empty if none

  std::string Arn() const;           // without the qualifier
  std::string QualifiedArn() const;  // with it, if there is one
  bool MeansLatest() const { return qualifier.empty() || qualifier == "$LATEST"; }
};

// `text` as it stands in a body, or percent-decoded from a path; `qualifier` from the query, may be
// empty.
LambdaResult<FunctionRef> ParseFunctionRef(std::string_view text, std::string_view qualifier,
                                           const Identity& self);

}  // namespace godwit::aws
