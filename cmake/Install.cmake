# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` brings besides the program: manual pages and completion, both printed by the program
# itself so that they cannot say something else, the systemd unit, and a configuration file to start from.
set(made ${CMAKE_BINARY_DIR}/manuals)
add_custom_command(
  OUTPUT ${made}/made
  COMMAND ${CMAKE_COMMAND} -DTIDEMARK=$<TARGET_FILE:tidemark> -DOUT=${made} -P ${CMAKE_SOURCE_DIR}/cmake/manuals.cmake
  DEPENDS tidemark ${CMAKE_SOURCE_DIR}/cmake/manuals.cmake
  COMMENT "Printing the manual pages"
  VERBATIM)
add_custom_target(manuals ALL DEPENDS ${made}/made)

# The unit names the program by the prefix of the installation, which may be another than that of the configuration.
install(CODE "
  set(CMAKE_INSTALL_BINDIR \"${CMAKE_INSTALL_BINDIR}\")
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_BINDIR BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\" OUTPUT_VARIABLE CMAKE_INSTALL_FULL_BINDIR)
  configure_file(\"${CMAKE_SOURCE_DIR}/etc/tidemark.service.in\" \"${CMAKE_BINARY_DIR}/tidemark.service\" @ONLY)")

install(DIRECTORY ${made}/man1 ${made}/man5 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${made}/tidemark.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME tidemark)
install(FILES ${CMAKE_BINARY_DIR}/tidemark.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_SOURCE_DIR}/etc/tidemark.conf DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/tidemark/examples)
