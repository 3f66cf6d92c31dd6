#pragma once

// The template of a function: an instance of it that was put away right after its start, from which
// every further one is cloned (docs/prebake.md).
//
// A template belongs to one revision of its function, and to what it was made with: Dependencies()
// names that. Threads: values; Dependencies() looks at files, for the pool or start-up. Failure: as
// schema.h has it.
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "functions/codec.h"
#include "functions/schema.h"
#include "functions/workplace.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace godwit::functions {

struct Template {
  InstanceFacts facts;
  std::string facts_text;  // as they are kept, and in the image
  storage::BlobId image;
  uint64_t image_bytes = 0;
  std::string depends;  // of Dependencies(), when it was made
  WallTime made;

  const std::string& function() const { return facts.function->spec.name; }
  // As an instance of its own that is put away.
  KeptInstance AsKept(InstanceId id, uint32_t uid, std::shared_ptr<const Function> function) const;
};

// How an instance begins that is not brought back.
struct Beginning {
  bool bakes = false;                        // it is to become a template, and has no calls
  std::string depends;                       // then
  std::shared_ptr<const Template> clone_of;  // instead of a start of its own
  // Moves when its owner says so, and the store knows nothing of it: it ends with the node.
  bool trial = false;
};

// All that is in the memory of an instance and is neither its code nor its configuration: its
// runtime, the host's programs and libraries, the kernel and the processor. Equal texts: the same.
std::string Dependencies(const FunctionSpec& spec, const Settings& settings);

// The store has one a function at most.
Result<> PutTemplate(storage::Database& database, const KeptInstance& kept,
                     const std::string& depends);
// Of the function, if it has this image.
Result<> DropTemplate(storage::Database& database, const std::string& function,
                      const storage::BlobId& image);
Result<std::vector<Template>> AllTemplates(storage::Database& database);

}  // namespace godwit::functions
