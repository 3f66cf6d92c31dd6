#pragma once

// Images whose pages are likely to be in what comes from other nodes, so that those need not cross.
//
// Of a function: its template, the images of its instances that are here, and those of instances
// that have left or came lately, which are kept for this alone. Threads: the loop. Lifetime: within
// that of the image shelf. Failure: none.
#include <list>
#include <string>
#include <vector>

#include "checkpoint/page_plan.h"
#include "functions/crews.h"
#include "functions/image_shelf.h"
#include "functions/workplace.h"

namespace godwit::functions {

class PageLibrary {
 public:
  static constexpr size_t kOffered = 8;     // at once
  static constexpr size_t kKeptOfEach = 2;  // revision of a function
  static constexpr size_t kKept = 64;

  PageLibrary(Workplace& workplace, Crews& crews) : work_(workplace), crews_(crews) {}

  void Keep(const Function& function, ImageShelf::Held image);
  void Clear() { kept_.clear(); }

  // The likeliest first. Held for as long as the pages are wanted.
  std::vector<ImageShelf::Held> For(const Function& function) const;
  static std::vector<checkpoint::ImageBase> AsBases(const std::vector<ImageShelf::Held>& images,
                                                    const Function& function);

 private:
  struct Kept {
    std::string function, revision;
    ImageShelf::Held image;
  };

  Workplace& work_;
  Crews& crews_;
  std::list<Kept> kept_;  // the newest first
};

}  // namespace godwit::functions
