# The .deb: `cmake --build BUILD --target package`. `cmake --install` stays free of it: it touches nothing outside of
# its prefix.
set(PROOFTRACK_MAINTAINER "prooftrackd maintainers <prooftrackd@lists.proof.example>"
    CACHE STRING "Maintainer field of the .deb")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME prooftrackd)
set(CPACK_PACKAGE_VENDOR prooftrackd)
set(CPACK_PACKAGE_CONTACT "${PROOFTRACK_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "tracks Proof transactions and tells the merchant of their end")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# Not the umask of whoever builds.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # needs dpkg-dev and file
# The units, the user and the folders are systemd's business; the unit reloads by /bin/kill.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd, procps")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "prooftrackd is given the ids of transactions over a local socket, asks Proof\n\
about each every 5 to 10 seconds until it has ended, and offers every end as an\n\
event to signed webhooks, Unix sockets or commands until it is taken. It keeps\n\
its state in one SQLite file and survives crashes and power loss.\n\n\
The package has the daemon, its command line prooftrackctl, and sandboxed units\n\
for systemd. Nothing is started before it is configured.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)

string(TIMESTAMP package_date "%a, %d %b %Y %H:%M:%S +0000" UTC) # SOURCE_DATE_EPOCH, if that is set
configure_file(${debian}/changelog.in ${CMAKE_BINARY_DIR}/debian/changelog @ONLY)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${debian}/preinst ${debian}/postinst ${debian}/prerm ${debian}/postrm ${debian}/conffiles)

# What belongs to a Debian package alone is laid beside what `cmake --install` lays.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_BINARY_DIR}/debian/stage.cmake)
configure_file(${debian}/stage.cmake.in ${CMAKE_BINARY_DIR}/debian/stage.cmake @ONLY)
include(CPack)
