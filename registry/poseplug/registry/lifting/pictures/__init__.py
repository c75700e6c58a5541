"""Pictures and pages of lifted poses."""
