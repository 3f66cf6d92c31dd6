# The checks of the repository itself: floors, format, sizes, texts, headers that stand alone.
set(tools ${PROJECT_SOURCE_DIR}/tools)
add_test(NAME house.layers COMMAND /usr/bin/python3 ${tools}/check_layers.py)
add_test(NAME house.sizes COMMAND /usr/bin/python3 ${tools}/check_sizes.py)
add_test(NAME house.texts COMMAND /usr/bin/python3 ${tools}/check_texts.py)
add_test(NAME house.format COMMAND ${tools}/check_format)
add_test(NAME house.checks COMMAND /usr/bin/python3 ${tools}/checks_test.py)
set_tests_properties(house.layers house.sizes house.texts house.format house.checks PROPERTIES
  LABELS house TIMEOUT 60)

# Each header is compiled alone, which takes as long as building a library or two.
if(CMAKE_VERIFY_INTERFACE_HEADER_SETS)
  add_test(NAME house.headers COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR}
    --target all_verify_interface_header_sets)
  set_tests_properties(house.headers PROPERTIES LABELS house TIMEOUT 1200 RUN_SERIAL ON)
endif()

add_test(NAME runtimes COMMAND /usr/bin/python3 ${PROJECT_SOURCE_DIR}/runtimes/runtimes_test.py)
set_tests_properties(runtimes PROPERTIES LABELS runtimes TIMEOUT 300)
