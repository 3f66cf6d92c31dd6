# What `cmake --install` puts where, and the .deb that `make package` makes of it.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # the program alone is installed, so it alone is built

install(FILES ${PROJECT_SOURCE_DIR}/packaging/godwit.service DESTINATION lib/systemd/system)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/node.toml DESTINATION /etc/godwit)
install(FILES ${PROJECT_SOURCE_DIR}/packaging/copyright ${PROJECT_SOURCE_DIR}/docs/configuration.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Completions are made by the program itself, from the same descriptions as its help.
install(CODE "
  foreach(shell bash zsh fish)
    execute_process(COMMAND $<TARGET_FILE:godwit> completion \${shell} COMMAND_ERROR_IS_FATAL ANY
      OUTPUT_FILE ${CMAKE_BINARY_DIR}/completion.\${shell})
  endforeach()")
install(FILES ${CMAKE_BINARY_DIR}/completion.bash RENAME godwit
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${CMAKE_BINARY_DIR}/completion.zsh RENAME _godwit
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${CMAKE_BINARY_DIR}/completion.fish RENAME godwit.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

find_program(SCDOC scdoc)
if(SCDOC)
  install(CODE "
    execute_process(COMMAND ${SCDOC} INPUT_FILE ${PROJECT_SOURCE_DIR}/docs/man/godwit.1.scd
      COMMAND gzip -9n OUTPUT_FILE ${CMAKE_BINARY_DIR}/godwit.1.gz COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES ${CMAKE_BINARY_DIR}/godwit.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(CODE "
  execute_process(COMMAND gzip -9n INPUT_FILE ${PROJECT_SOURCE_DIR}/CHANGELOG.md
    OUTPUT_FILE ${CMAKE_BINARY_DIR}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)")
install(FILES ${CMAKE_BINARY_DIR}/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR})
set(CPACK_PACKAGE_CONTACT "The Godwit authors <godwit@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "functions that cost nothing while they wait")
set(CPACK_PACKAGE_DESCRIPTION "A function-as-a-service node for the edge with the API of AWS Lambda. A function\nthat waits, in the middle of a call, is put away to disk and brought back when what\nit waits for is due; meanwhile it has no process and holds no memory.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Without CRIU functions run but are not put away; Debian 12's own is too old (scripts/build-criu).
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "criu (>= 4.1), nftables, python3")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nodejs (>= 18)")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${PROJECT_SOURCE_DIR}/packaging/conffiles ${PROJECT_SOURCE_DIR}/packaging/postinst
  ${PROJECT_SOURCE_DIR}/packaging/prerm ${PROJECT_SOURCE_DIR}/packaging/postrm)
include(CPack)
