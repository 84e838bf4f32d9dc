"""The connectors that ship with syncd: one folder per vocabulary a source speaks, the same shape in each.

They reach `syncd.contract`, `syncd.http`, `syncd.roster`, `syncd.secret`, `syncd.report` and `syncd.errors`, and nothing else.
"""
