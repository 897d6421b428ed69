-- What is audited of people: what decides who may log in as whom, not each code that is used. The sealed secret of the
-- second factor never shows.
call private.audit_changes('public.users', array['password_hash'], array['id', 'cpo_id', 'email', 'name', 'role',
    'password_hash', 'active', 'locale', 'demo', 'totp_confirmed_at']);
call private.audit_changes('public.invitations', array['token_hash']);
