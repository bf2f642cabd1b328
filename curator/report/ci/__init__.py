"""What CI systems read: JUnit, SARIF, and the gate that fails a build."""
