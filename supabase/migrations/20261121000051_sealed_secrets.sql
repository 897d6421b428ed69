-- Secrets sealed by the vault can be sealed anew (`python -m backend.admin rotate-secrets`).
grant update (root_key, issuing_key) on public.certificate_authority to service_role;
