// The one thing that a clone of a Node.js function cannot do in JavaScript: OpenSSL's generator
// lives in the memory of the process, and every clone would draw the same numbers from it.
//
// An add-on of Node-API with one function, seed(): it takes fresh entropy from the kernel,
// whichever OpenSSL the process has, Node's own or a shared library; false if it has none. Without
// a C library, so that it loads everywhere. Source: Node-API, version 1; RAND_poll(3).
extern "C" {

struct NapiEnvironment;
struct NapiCallbackInfo;
struct NapiValue;
using NapiCallback = NapiValue* (*)(NapiEnvironment*, NapiCallbackInfo*);

int napi_create_function(NapiEnvironment* environment, const char* name, unsigned long length,
                         NapiCallback callback, void* data, NapiValue** result);
int napi_get_boolean(NapiEnvironment* environment, bool value, NapiValue** result);
[[gnu::weak]] int RAND_poll();

static NapiValue* Seed(NapiEnvironment* environment, NapiCallbackInfo*) {
  const bool seeded = RAND_poll != nullptr && RAND_poll() == 1;
  NapiValue* result = nullptr;
  napi_get_boolean(environment, seeded, &result);
  return result;
}

[[gnu::visibility("default")]] NapiValue* napi_register_module_v1(NapiEnvironment* environment,
                                                                  NapiValue*) {
  NapiValue* seed = nullptr;
  napi_create_function(environment, "seed", 4, Seed, nullptr, &seed);
  return seed;
}

}  // extern "C"
