-- Refuses a namespace of another layout.
if head and sub(head, 1, 1) ~= LAYOUT_VERSION then return redis.error_reply('LEASEVERSION ' .. sub(head, 1, 1)) end
