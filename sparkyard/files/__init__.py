"""How are files read and written, so that a mistake is named and none is half written?"""
