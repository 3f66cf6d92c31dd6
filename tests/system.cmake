# system.NAME runs NAME_test.py as root against the program of this build: a session of a user with a
# real node. Without root it is skipped, visibly.
foreach(name clients runtime_clients bases blocked late_memory callback calls density docker doctor
        images many network prebake restarts races tars tiers bad_input bad_ground lifecycle oddities
        verbs examples testbed site migrate failover site_faults)
  add_test(NAME system.${name} COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/${name}_test.py)
  set_tests_properties(system.${name} PROPERTIES LABELS system TIMEOUT 300 SKIP_RETURN_CODE 77
    ENVIRONMENT "GODWIT_BINARY=$<TARGET_FILE:godwit>;GODWIT_FAULTS=${GODWIT_FAULTS}")
endforeach()
# It makes a site for each point.
set_tests_properties(system.site_faults PROPERTIES TIMEOUT 900)
