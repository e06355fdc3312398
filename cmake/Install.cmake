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

configure_file(${CMAKE_SOURCE_DIR}/etc/tidemark.service.in ${CMAKE_BINARY_DIR}/tidemark.service @ONLY)

install(DIRECTORY ${made}/man1 ${made}/man5 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${made}/tidemark.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME tidemark)
install(FILES ${CMAKE_BINARY_DIR}/tidemark.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_SOURCE_DIR}/etc/tidemark.conf DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/tidemark/examples)
