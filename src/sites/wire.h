#pragma once

// What nodes of a site say to each other under /site/v1 (docs/formats/transfer.md).
//
// Threads: values. Failure: kCorrupt for what is not understood, kUnsupported for a newer
// program's; an error that a node answered with comes out as it went in, with the node's name.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "functions/arrival.h"
#include "functions/schema.h"
#include "http/message.h"
#include "sites/site_wire.h"
#include "storage/pack.h"

namespace godwit::sites {

inline constexpr size_t kPiece = size_t{4} << 20;      // bytes of pages, or of the rest, at once
inline constexpr size_t kMostBody = size_t{80} << 20;  // of any request: an offer with its code

// The body of an answer with status 200; else its error.
Result<std::string> BodyOf(const std::string& node, Result<http::Response> answer);

// What one node offers to another: an instance that moves, or a copy of it to be kept.
struct Offer {
  enum class Kind { kMove, kReplica };
  Kind kind = Kind::kMove;
  functions::ArrivalOffer arrival;
  int64_t epoch = 0;  // of the owner, who offers it
  std::string passport;
};
std::string OfferToBody(const Offer& offer);
Result<Offer> OfferFromBody(std::string_view body);

// Pages with their sums; packed if that makes them fewer bytes.
std::string PagesToBody(std::string_view sums, std::string_view pages, storage::Packing packing,
                        storage::Packer& packer);
struct PagesBody {
  std::string sums;
  std::string pages;
};
Result<PagesBody> PagesFromBody(std::string_view body, storage::Packer& packer);

std::string ResultToBody(const functions::ForeignResult& result, int64_t epoch, bool lost);
struct ResultBody {
  functions::ForeignResult result;
  int64_t epoch = 0;
  bool lost = false;  // it came to nothing there: an Event call is to run again
};
Result<ResultBody> ResultFromBody(std::string_view body);

}  // namespace godwit::sites
