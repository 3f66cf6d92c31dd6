#include "functions/page_library.h"

#include <algorithm>

#include "functions/bakery.h"
#include "functions/image_bond.h"

namespace godwit::functions {

void PageLibrary::Keep(const Function& function, ImageShelf::Held image) {
  if (!image) return;
  std::erase_if(kept_, [&](const Kept& one) { return one.image == image; });
  kept_.push_front({function.spec.name, function.revision_id, std::move(image)});
  size_t same = 0;
  for (auto one = kept_.begin(); one != kept_.end();) {
    const bool is_same = one->function == function.spec.name;
    same += is_same ? 1 : 0;
    const bool goes = is_same && (same > kKeptOfEach || one->revision != function.revision_id);
    one = goes ? kept_.erase(one) : std::next(one);
  }
  while (kept_.size() > kKept) kept_.pop_back();
}

std::vector<ImageShelf::Held> PageLibrary::For(const Function& function) const {
  std::vector<ImageShelf::Held> images;
  const auto add = [&](const ImageShelf::Held& image) {
    if (image && images.size() < kOffered && std::ranges::find(images, image) == images.end())
      images.push_back(image);
  };
  if (const auto made = work_.bakery != nullptr ? work_.bakery->Of(function) : nullptr)
    add(work_.images->Find(made->image));
  for (const Kept& one : kept_) {
    if (one.function == function.spec.name && one.revision == function.revision_id) add(one.image);
  }
  crews_.ForEach([&](const Instance& instance) {
    if (instance.function().spec.name != function.spec.name ||
        instance.function().revision_id != function.revision_id)
      return;
    add(instance.image());
    add(instance.last_image());
  });
  return images;
}

std::vector<checkpoint::ImageBase> PageLibrary::AsBases(const std::vector<ImageShelf::Held>& images,
                                                        const Function& function) {
  std::vector<checkpoint::ImageBase> bases;
  for (const auto& image : images)
    bases.push_back({image->facts().image, BondOf(image->facts(), function)});
  return bases;
}

}  // namespace godwit::functions
