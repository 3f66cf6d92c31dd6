#include "functions/link.h"

#include "base/try.h"

namespace godwit::functions {

namespace asio = boost::asio;

Link::Link(network::Network* network, network::Address address) : network_(network) {
  if (network_ == nullptr || !address) return;
  address_ = address;
  network_->Reserve(address);
}

Link::~Link() {
  if (address_) network_->GiveBack(address_);
}

asio::awaitable<Result<>> Link::Await(std::vector<network::Ear> ears) {
  if (!address_) co_return Result<>{};
  co_return co_await network_->Await(address_, std::move(ears));
}

asio::awaitable<Result<>> Link::Attach(int init) {
  if (network_ == nullptr) co_return Result<>{};
  if (!address_) {
    GODWIT_CO_TRY(address_, co_await network_->Take());
  }
  co_return co_await network_->Attach(address_, init);
}

Result<> Link::Hold() { return address_ ? network_->Hold(address_) : Result<>{}; }

bool Link::Expect(std::vector<network::Ear> ears) {
  return address_ && network_->Expect(address_, std::move(ears));
}

Result<> Link::Deliver() { return address_ ? network_->Deliver(address_) : Result<>{}; }

}  // namespace godwit::functions
