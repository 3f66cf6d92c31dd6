#include "functions/crews.h"

namespace godwit::functions {

namespace asio = boost::asio;

std::shared_ptr<Crew> Crews::Make(const Function& function) {
  auto crew = std::make_shared<Crew>(work_, function, [this, name = function.spec.name] {
    int starting = 0;
    for (const auto& one : crews_) starting += one->starting();
    return starting < work_.settings.max_starting && room_.MayStart(name);
  });
  crews_.push_back(crew);
  return crew;
}

Instance* Crews::Find(const InstanceId& id) const {
  for (const auto& crew : crews_) {
    if (Instance* instance = crew->Find(id)) return instance;
  }
  return nullptr;
}

void Crews::Tick() {
  for (const auto& crew : crews_) crew->Tick();
  room_.Tick();
  for (auto crew = crews_.begin(); crew != crews_.end();) {
    if ((*crew)->empty() && (*crew)->queued() == 0 && crew->use_count() == 1) {
      static_cast<void>(gate_.Spawn(End(std::move(*crew))));
      crew = crews_.erase(crew);
    } else {
      ++crew;
    }
  }
}

// Whatever it still has under way, a timer say, is waited for.
asio::awaitable<void> Crews::End(std::shared_ptr<Crew> crew) { co_await crew->Close(); }

asio::awaitable<void> Crews::Close() {
  const auto crews = crews_;  // more may be made meanwhile
  Gate closing(work_.executor);
  for (const auto& crew : crews) static_cast<void>(closing.Spawn(End(crew)));
  co_await closing.Drain();
  co_await gate_.Drain();
}

}  // namespace godwit::functions
