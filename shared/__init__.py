"""What every service uses: contracts, messaging, storage, web shell, logging. Never imports a service."""
