#pragma once

// What this machine offers for checkpoints, asked once.
//
// Threads: the pool; runs `criu check`, tens of milliseconds. Failure: a missing thing is a Feature
// that is not present.
#include <string>
#include <vector>

#include "base/error.h"
#include "base/feature.h"

namespace godwit::checkpoint {

// The CRIU to use: `wished` if given, else Godwit's own build, else the one on PATH. kNotFound with
// the way out.
Result<std::string> FindCriu(const std::string& wished);

// "4.2.1"; empty if it does not say.
std::string CriuVersion(const std::string& criu);

std::vector<Feature> ProbeFeatures(const std::string& criu);

// Runs `criu check` in a mount namespace of its own and keeps CRIU's cache of kernel facts
// (criu.kdat) at `path`, so that no later dump probes the kernel again. kUnsupported, with its own
// word, if the check fails or the program is not CRIU.
Result<> KeepKernelFacts(const std::string& criu, const std::string& path);

}  // namespace godwit::checkpoint
