# godwit_library(NAME SOURCES a.cc ... DEPS target ... TESTS a_test.cc ...)
# The library godwit_NAME of the folder that calls it, the check that each of its headers stands alone,
# and its unit tests as the program godwit_NAME_test, one ctest entry a case, labelled NAME.
function(godwit_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS;TESTS")
  file(GLOB headers CONFIGURE_DEPENDS *.h)
  add_library(godwit_${name} STATIC ${arg_SOURCES})
  target_sources(godwit_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${headers})
  target_link_libraries(godwit_${name} PUBLIC ${arg_DEPS} PRIVATE godwit_warnings)
  if(BUILD_TESTING AND arg_TESTS AND NOT GODWIT_FUZZ)
    add_executable(godwit_${name}_test ${arg_TESTS})
    target_link_libraries(godwit_${name}_test PRIVATE godwit_${name} godwit_warnings GTest::gmock_main)
    gtest_discover_tests(godwit_${name}_test TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
      PROPERTIES LABELS ${name} TIMEOUT 120)
  endif()
endfunction()

# godwit_fuzzer(NAME SOURCE DEPS ...): a libFuzzer target over fuzz/corpus/NAME. The fuzz preset instruments
# it, and its ctest runs a fixed number of further steps; other builds by clang replay the corpus alone.
function(godwit_fuzzer name source)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR NOT BUILD_TESTING)
    return()
  endif()
  add_executable(${name}_fuzz ${source})
  target_link_libraries(${name}_fuzz PRIVATE ${ARGN} godwit_warnings)
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  set(corpus ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
  if(GODWIT_FUZZ)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/corpus/${name})
    add_test(NAME fuzz.${name} COMMAND ${name}_fuzz -runs=20000 -max_len=65536 -rss_limit_mb=4096
      ${CMAKE_BINARY_DIR}/corpus/${name} ${corpus})
  else()
    add_test(NAME fuzz.${name} COMMAND ${name}_fuzz -runs=0 ${corpus})
  endif()
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()
