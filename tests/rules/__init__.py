"""The house rules, each as a test, and each test shown to notice a breach."""
