"""Output for CI systems: JUnit, SARIF, and the rule that fails a build."""
