-- Every step of an application, what it states, its documents, and what a CPO keeps, stand in the audit log.
call private.audit_changes('public.cpo_applications', array['npwp', 'address', 'phone', 'bank_account', 'bank_holder']);
call private.audit_changes('public.cpo_steps');
call private.audit_changes('public.cpo_documents', array['content_name']);
call private.audit_changes('public.revenue_shares');
