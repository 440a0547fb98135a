# frozen_string_literal: true

require_relative 'common'

# The chat's last messages: members that return get what they have missed, also after the end of this process if the
# variable CHAT_LOG names a file. The first line of the file is the history's epoch, each other line is a message. A
# message is in the file before anybody gets it. The room's lock guards this.
class ChatLog
  KEPT = 1000
  ID = /\A[A-Za-z0-9-]{1,64}\z/

  # Whether a line may have it; nil: it has none.
  def self.id?(text)
    text.nil? || text.match?(ID)
  end

  def initialize(server)
    @messages = server.broadcaster(backlog_bytes: '1m', history_messages: KEPT)
    @ids = [] # of the messages that are kept, nil for one without
    path = ENV.fetch('CHAT_LOG', '')
    read_back path unless path.empty?
  rescue SystemCallError, Hijack::Error => e
    abort "CHAT_LOG: #{e.message}"
  end

  def position
    @messages.position
  end

  # from: nil, the position that the client gives, or '' for where the chat is now.
  def add(connection, from)
    @messages.add(connection, position: from == '' ? position : from)
  end

  # Once, if it has an id: a client sends again what it does not know to have arrived.
  def publish(json, id)
    return if id && @ids.include?(id)

    append json if @file
    keep json, id
  end

  private

  def read_back(path)
    @file = File.open(path, 'a+', encoding: Encoding::UTF_8)
    @file.sync = true
    whole, = @file.read.rpartition("\n") # of the last line a part may be there, which nobody got
    @file.truncate(whole.empty? ? 0 : whole.bytesize + 1)
    append whole = position.rpartition('-').first if whole.empty?
    go_on(*whole.split("\n"))
  end

  # A client's position counts the messages of the file, however many of them are kept.
  def go_on(epoch, *lines)
    kept = lines.last(KEPT)
    @messages[:history_position] = "#{epoch}-#{lines.size - kept.size}"
    kept.each { |json| keep json, json[/,"id":"([^"]*)"}\z/, 1] }
  end

  def keep(json, id)
    @messages << json
    @ids << id
    @ids.shift if @ids.size > KEPT
  end

  # A line of which a part is missing must not get another one behind it.
  def append(line)
    @file.write "#{line}\n"
  rescue SystemCallError => e
    warn "CHAT_LOG: #{e.message}"
    exit! 1
  end
end
