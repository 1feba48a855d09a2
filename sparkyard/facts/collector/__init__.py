"""What is in this machine? Modules that write one JSON document of facts.

The document is a function of what they look at: no clock, no host name, no random order. A fact
that cannot be had is null, and `missing` says why. Nothing secret is written: of the
environment the variables of `environment.FAMILIES` and the names of others, and no value whose key
or text looks like a credential. `sparkyard.facts.facts` is the typed form of the document.
"""

SCHEMA = 2
