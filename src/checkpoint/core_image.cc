#include "checkpoint/core_image.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "base/try.h"
#include "checkpoint/image_file.h"

namespace godwit::checkpoint {
namespace {

std::string CorePath(const std::string& images, uint32_t tid) {
  return fmt::format("{}/core-{}.img", images, tid);
}

// A queue's entries begin with si_signo (siginfo_t).
uint64_t MaskOf(const image::SignalQueue& queue) {
  uint64_t mask = 0;
  for (const auto& entry : queue.signals()) {
    int32_t number = 0;
    if (entry.size() < sizeof number) continue;
    std::memcpy(&number, entry.data(), sizeof number);
    if (number >= 1 && number <= 64) mask |= MaskOfSignal(number);
  }
  return mask;
}

}  // namespace

Result<std::vector<image::Pstree>> ReadTree(const std::string& images) {
  const std::string path = images + "/pstree.img";
  GODWIT_TRY(const ImageFile file, ReadImageFile(path));
  std::vector<image::Pstree> tree;
  for (const auto& entry : file.entries) {
    GODWIT_TRY(auto process, ParseEntry<image::Pstree>(path, entry));
    std::vector<uint32_t> threads;
    for (const uint32_t tid : process.threads()) {
      if (std::filesystem::exists(CorePath(images, tid))) threads.push_back(tid);
    }
    if (std::ranges::find(threads, process.pid()) == threads.end() &&
        std::filesystem::exists(CorePath(images, process.pid()))) {
      threads.push_back(process.pid());
    }
    process.mutable_threads()->Assign(threads.begin(), threads.end());
    tree.push_back(std::move(process));
  }
  return tree;
}

Result<int> HighestPid(const std::string& images) {
  GODWIT_TRY(const std::vector<image::Pstree> tree, ReadTree(images));
  uint32_t highest = 0;
  for (const image::Pstree& process : tree) {
    highest = std::max(highest, process.pid());
    for (const uint32_t tid : process.threads()) highest = std::max(highest, tid);
  }
  return static_cast<int>(highest);
}

Result<> ChangeCore(const std::string& images, uint32_t tid,
                    const std::function<bool(image::Core&)>& change) {
  const std::string path = CorePath(images, tid);
  GODWIT_TRY(ImageFile file, ReadImageFile(path));
  if (file.entries.size() != 1)
    return Fail(Code::kCorrupt, "'{}' has {} entries", path, file.entries.size());
  GODWIT_TRY(image::Core core, ParseEntry<image::Core>(path, file.entries.front()));
  if (!change(core)) return {};
  file.entries.front() = core.SerializeAsString();
  return WriteImageFile(path, file);
}

uint64_t SharedSignals(const image::Core& core) { return MaskOf(core.tc().signals_s()); }

uint64_t PendingSignals(const image::Core& core, uint64_t shared) {
  return MaskOf(core.thread_core().signals_p()) | shared;
}

uint64_t BlockedSignals(const image::Core& core) {
  // The first thread keeps its mask with the process (CRIU: task_core_entry.blk_sigset).
  return core.thread_core().has_blk_sigset() ? core.thread_core().blk_sigset()
                                             : core.tc().blk_sigset();
}

uint64_t DueSignals(const image::Core& core, uint64_t shared) {
  return PendingSignals(core, shared) & ~BlockedSignals(core);
}

std::optional<image::SignalAction> ActionOn(const image::Core& core, int number) {
  if (number < 1 || number == SIGKILL || number == SIGSTOP) return std::nullopt;
  const int at = number - 1 - (number > SIGKILL ? 1 : 0) - (number > SIGSTOP ? 1 : 0);
  if (at >= core.tc().actions_size()) return std::nullopt;
  return core.tc().actions(at);
}

}  // namespace godwit::checkpoint
