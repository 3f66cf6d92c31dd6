#pragma once

// What ties an image to the row that it belongs to (docs/adr/0011).
//
// An image is sealed with a random key of its own, kept in its row and nowhere else, and with who
// it is: instance, function, revision, and which of the instance's suspensions it is of. So one
// image opens for one row. Threads: any. Failure: none; opening an image with another's bond is
// kCorrupt.
#include <string>
#include <vector>

#include "base/entropy.h"
#include "checkpoint/page_plan.h"  // ImageBase
#include "functions/codec.h"

namespace godwit::functions {

// A key for one image, as text.
std::string NewImageKey(Entropy& entropy);
// For PutOptions and FetchImage(); empty for an image of before there were bonds.
std::string BondOf(const InstanceFacts& facts);
// The same of an image that one of `function` refers to.
std::string BondOf(const BaseFacts& base, const Function& function);
// Of all that an image refers to, for FetchImage().
std::vector<checkpoint::ImageBase> BasesOf(const InstanceFacts& facts);

}  // namespace godwit::functions
