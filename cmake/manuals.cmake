# SPDX-License-Identifier: Apache-2.0
# Run with cmake -P: asks the program for its own manual pages and completion.
#   TIDEMARK: the program; OUT: the folder to write them to
function(ask result)
  execute_process(COMMAND ${TIDEMARK} ${ARGN} OUTPUT_VARIABLE text RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "tidemark ${ARGN} ended with ${code}")
  endif()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

# The text goes through a file: a CMake list would eat its semicolons.
function(write name)
  execute_process(COMMAND ${TIDEMARK} ${ARGN} OUTPUT_FILE ${OUT}/${name} RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "tidemark ${ARGN} ended with ${code}")
  endif()
endfunction()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/man1 ${OUT}/man5)
ask(pages help --pages)
string(STRIP "${pages}" pages)
string(REPLACE "\n" ";" pages "${pages}")
foreach(page ${pages})
  string(REGEX MATCH "[0-9]$" section ${page})
  write(man${section}/${page} help --man ${page})
endforeach()
write(tidemark.bash help --completion)
file(TOUCH ${OUT}/made)
