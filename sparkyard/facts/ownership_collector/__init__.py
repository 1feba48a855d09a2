"""Which package does each file of this machine belong to? Modules that write one JSON document.

A file (a regular one, or a symbolic link) is accounted for when a Debian package lists it, a Python
distribution records it, it lies in an installed R package, it is a jar, a package's own tools made
it, or the build of the image made it. All others are listed. Names and versions of packages are
facts of `sparkyard.facts.collector`; here is what it does not look at. `sparkyard.facts.ownership`
is the typed form of the document.
"""

SCHEMA = 2
